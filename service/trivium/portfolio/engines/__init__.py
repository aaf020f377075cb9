"""Portfolios on clusters: the same scoring on Ray and on Spark, file by file or as a function of data frames."""
