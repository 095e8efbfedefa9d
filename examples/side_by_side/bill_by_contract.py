# /// script
# requires-python = ">=3.11"
# dependencies = ["tariffs<2"]
# [tool.leasehold]
# find-links = ["packages"]
# no-index = true
# wheels = true
# ///
"""What the old contract's tariff makes of a day's use. Its library does not go together with the other DAG's."""

from leasehold import dag, task


@task
def bill(kwh: float) -> float:
    import tariffs  # installed where the task runs

    amount: float = tariffs.price(kwh)
    print("billed", kwh, "kWh:", amount)
    return amount


@dag
def bill_by_contract(kwh: float = 100.0):
    bill(kwh)
