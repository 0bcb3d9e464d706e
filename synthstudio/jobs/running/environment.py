"""What a worker is told of the environment. By allow-list: a secret has any name, what a worker needs has a known one.

Workers decode files of strangers and load models; they need neither a password nor a token, and no Hub: models are
fetched before a Step names them, by a run that does nothing else. So they are told to stay offline, but for that run's
worker, which gets the Hub's address, its token and the way through a proxy.

This keeps secrets out of workers, their logs and the programs they start. It is no wall: on Linux a process can read
what another one of the same user was started with (`/proc/<pid>/environ`), and a token that `hf auth login` left in
the home folder. Code that runs as the user can read what the user can; the wall is that no code of strangers runs.
"""

from collections.abc import Mapping

_NAMES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"),
        *("SYNTHSTUDIO_STEPS", "SYNTHSTUDIO_HOME", "TOKENIZERS_PARALLELISM", "SSL_CERT_FILE", "SSL_CERT_DIR"),
        *("HF_HOME", "HF_HUB_CACHE", "HF_MODULES_CACHE", "HF_HUB_DISABLE_TELEMETRY", "TRANSFORMERS_VERBOSITY"),
        *("ACCELERATOR", "SPACES_ZERO_GPU"),
    }
)
_FAMILIES = (
    *("LC_", "XDG_", "PYTHON", "CONDA_", "LD_", "DYLD_", "MALLOC_", "COVERAGE_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "VECLIB_", "NUMEXPR_", "DNNL_", "ONEDNN_"),
    *("CUDA_", "CUBLAS_", "CUDNN_", "NCCL_", "NVIDIA_", "TORCH_", "TORCHINDUCTOR_", "PYTORCH_", "TRITON_"),
    *("HIP_", "HSA_", "ROCR_", "ROCM_", "MIOPEN_", "MPS_", "METAL_", "XPU_", "ZE_", "SYCL_"),
)
_CONNECTING = frozenset(
    {
        *("HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
# What says nothing of this machine, so that a worker on another one can use it.
_PORTABLE = frozenset(
    {
        "SYNTHSTUDIO_STEPS",
        "TOKENIZERS_PARALLELISM",
        "HF_HUB_DISABLE_TELEMETRY",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
    }
)
_CLUSTER = ("SYNTHSTUDIO_CLUSTER", "RAY_AUTH_", "RAY_TLS_", "RAY_USE_TLS")
_SECRETS = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY")
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def for_workers(environment: Mapping[str, str], connects: bool = False) -> dict[str, str]:
    """Of an environment what a worker, the nursery or a look at uploaded files gets; `connects`: to the Hub."""
    wanted = {name: value for name, value in environment.items() if _is_wanted(name)}
    if connects:
        return wanted | {name: value for name, value in environment.items() if name in _CONNECTING}
    return wanted | _OFFLINE


def for_other_machines(environment: Mapping[str, str]) -> dict[str, str]:
    """Of an environment what a worker on another machine is handed: nothing that names a place or a device here."""
    return {name: value for name, value in for_workers(environment).items() if name in _PORTABLE}


def for_couriers(environment: Mapping[str, str]) -> dict[str, str]:
    """What a process of the owner gets that speaks with a cluster: what a worker gets, and the way in."""
    return for_workers(environment) | {name: v for name, v in environment.items() if name.startswith(_CLUSTER)}


def _is_wanted(name: str) -> bool:
    """Named above, or of a family named above unless it calls itself a secret."""
    return name in _NAMES or (name.startswith(_FAMILIES) and not any(word in name.upper() for word in _SECRETS))
