"""The metadata in every file of an output: how it was made, and with which package versions."""

import importlib.metadata
import json

UNTRAINED = "untrained: its text means nothing"
RUN_PACKAGES = ("favor-on-beam", "apache-beam", "torch", "transformers", "av", "pyarrow")


def file_metadata(configuration: str, model: str, trained: bool) -> dict[str, str]:
    """Returns the metadata of the files that a run writes.

    Args:
        configuration: the run's options as JSON.
        model: the model's name or folder.
        trained: whether its text means anything.
    """
    metadata = {
        "favor": configuration,
        "favor.versions": json.dumps(package_versions()),
        "favor.trained": str(trained).lower(),
    }
    return metadata if trained else {**metadata, "favor.note": f"{model} is {UNTRAINED}"}


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that determine the results of a run and its speed."""
    return {name: importlib.metadata.version(name) for name in RUN_PACKAGES}
