"""Bodies of the config API about assistants and their models."""

from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field, StringConstraints

from api.schemas_http import Body

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
AssistantName = Annotated[str, StringConstraints(pattern=r"^\w{1,32}$")]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Address = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x20\x7f]*$")]
Prompt = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
Key = Annotated[str, StringConstraints(max_length=4_096, strip_whitespace=True)]
Secret = Field(json_schema_extra={"writeOnly": True})
Tokens = Annotated[int, Field(ge=1, le=131_072, strict=True)]
Context = Annotated[int, Field(ge=64, le=131_072, strict=True)]
Memory = Annotated[int, Field(ge=0, le=131_072, strict=True)]
Patience = Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)]
TopP = Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)]
Queueing = Annotated[int, Field(ge=1, le=600, strict=True)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Backend = Literal["local", "openai"]
Trigger = Literal["always", "mention", "never"]


class AssistantModelBody(Body):
    name: ModelName
    backend: Backend = "local"
    base_url: Address = ""
    upstream_model: Line = ""
    api_key: Annotated[Key, Secret] = ""
    context_tokens: Context = 4096
    max_tokens: Tokens = 512
    connect_timeout_s: Patience = 5.0
    token_timeout_s: Wait = 30.0
    enabled: bool = True


class AssistantModelChange(Body):
    """`"api_key": null` forgets the stored one; other nulls change nothing."""

    backend: Backend | None = None
    base_url: Address | None = None
    upstream_model: Line | None = None
    api_key: Annotated[Key | None, Secret] = None
    context_tokens: Context | None = None
    max_tokens: Tokens | None = None
    connect_timeout_s: Patience | None = None
    token_timeout_s: Wait | None = None
    enabled: bool | None = None


class AssistantModelOut(Schema):
    name: str
    backend: str
    base_url: str
    upstream_model: str
    has_key: bool
    context_tokens: int
    max_tokens: int
    connect_timeout_s: float
    token_timeout_s: float
    enabled: bool


class AssistantBody(Body):
    name: AssistantName
    system_prompt: Prompt = ""
    trigger: Trigger = "mention"
    default_model: ModelName
    other_models: Annotated[list[ModelName], Field(max_length=100)] = []
    memory_tokens: Memory = 256
    max_tokens: Tokens = 256
    temperature: Temperature = 0.7
    top_p: TopP = 1.0
    wait_s: Queueing = 30
    enabled: bool = True


class AssistantChange(Body):
    """Given `other_models` replace all that there were."""

    system_prompt: Prompt | None = None
    trigger: Trigger | None = None
    default_model: ModelName | None = None
    other_models: Annotated[list[ModelName], Field(max_length=100)] | None = None
    memory_tokens: Memory | None = None
    max_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    wait_s: Queueing | None = None
    enabled: bool | None = None


class AssistantOut(Schema):
    name: str
    system_prompt: str
    trigger: str
    default_model: str
    other_models: list[str]
    memory_tokens: int
    max_tokens: int
    temperature: float
    top_p: float
    wait_s: int
    enabled: bool
