package javax.annotation;

/** The one annotation of generated code that neither Java nor the generator's own archive has. */
public @interface Generated {
  String[] value();

  String date() default "";

  String comments() default "";
}
