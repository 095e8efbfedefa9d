"""One DAG in three languages: Python reads, JavaScript compares, a shell script reports. They meet in XComs only."""

from leasehold import chain, dag, program, shell, task


@task
def read_pumps(pumps: int) -> list[dict[str, object]]:
    """Return the pressure of each pump."""
    return [{"pump": f"P{number}", "bar": 4 + number % 3 / 2} for number in range(1, pumps + 1)]


@dag(include=["any_language/highest.mjs"])
def any_language(pumps: int = 4) -> None:
    """Find the pump with the highest pressure: ``leasehold deploy examples/any_language.py``."""
    highest = program(
        ["node", "{{ bundle_dir }}/any_language/highest.mjs"],
        id="highest",
        result="nothing",  # the program sends it itself
        retries=1,
    )
    # The agent's own command speaks for shell scripts; what it prints can be used at once.
    report = shell(
        'set -eu; pump=$("$LEASEHOLD_EDGE_AGENT" task xcom pull highest | cut -d \'"\' -f 4); '
        '"$LEASEHOLD_EDGE_AGENT" task log --field pump="$pump" "the report is ready"; '
        'echo "highest: $pump"',
        id="report",
    )
    chain(read_pumps(pumps), highest, report)
