"""What can be wrong with settings, and with where they are looked for."""

from collections.abc import Sequence

from airtable_connector.kernel.errors import Invalid


class BadSettings(Invalid):
    """One or more settings are wrong; ``mistakes`` holds a sentence for each, all found in one go."""

    code = "bad-settings"

    def __init__(self, mistakes: Sequence[str]) -> None:
        if len(mistakes) == 1:
            message = f"a setting is wrong: {mistakes[0]}"
        else:
            message = "\n  ".join([f"{len(mistakes)} settings are wrong:", *mistakes])
        super().__init__(
            message,
            hint="'airtable-connector settings --as env' prints every setting with its meaning",
            facts={"mistakes": list(mistakes)},
        )
        self.mistakes = tuple(mistakes)


class ConfigPathRefused(Invalid):
    """A configuration file is asked for that is not there, or not where such files may be."""

    code = "config-path-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this file is not read: {reason}",
            field="config_path",
            hint="name a .json file in the working directory of the service, such as udc_config.json",
        )
