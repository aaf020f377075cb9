"""Trivium as a model of MLflow, from code: `python mlflow_model.py DIRECTORY [POLICY.yaml]` saves it.

MLflow runs this file again wherever the model is loaded, so nothing is pickled:

    model = mlflow.pyfunc.load_model(DIRECTORY)
    scored = model.predict(projects, params={"columns": "strategy,codes,error"})

`mlflow.pyfunc.log_model(python_model="mlflow_model.py", ...)` takes the same arguments and logs it to a run.
"""

import sys

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, PythonModelContext, save_model
from mlflow.types import ParamSchema, ParamSpec

import trivium


COLUMNS = "strategy,status,codes,first_question,policy_version,error"


class Recommendations(PythonModel):
    """Recommends a strategy for each row of a data frame."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the policy that was saved with the model; the default one of the package if there is none."""
        policy = (context.artifacts or {}).get("policy")
        self._score = trivium.load(policy).score if policy else trivium.score

    def predict(self, model_input: pd.DataFrame, params: dict[str, str] | None = None) -> pd.DataFrame:
        """Return the rows with the answers as further columns."""
        columns = (params or {}).get("columns", COLUMNS).split(",")
        return self._score(model_input, columns=columns).read_pandas()


if __name__ == "__main__":
    directory, *policies = sys.argv[1:]
    save_model(
        directory,
        python_model=__file__,
        artifacts={"policy": policies[0]} if policies else None,
        # Any column of a profile may be left out, so the inputs have no schema; the one parameter has.
        signature=ModelSignature(inputs=None, params=ParamSchema([ParamSpec("columns", "string", COLUMNS)])),
        pip_requirements=[f"trivium[arrow]=={trivium.__version__}", f"pandas=={pd.__version__}"],
    )
else:
    mlflow.models.set_model(Recommendations())
