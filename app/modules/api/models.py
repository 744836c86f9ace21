"""The base of what the REST API reads and answers."""

from pydantic import BaseModel, ConfigDict


class ApiModel(BaseModel):
    """A model that is built at its first use: there are hundreds, and a process uses few of them."""

    model_config = ConfigDict(defer_build=True)
