"""What a run would take, told before it begins."""

from pathlib import Path

from .conftest import Command

ENDPOINT = '{kind="openai", base_url="http://127.0.0.1:1/v1", model="m"PRICE}'


def test_what_has_no_price_is_not_said_to_cost_nothing(project: Path, preceptor: Command) -> None:
    dry = ("teach", "--dry-run", "--project", project)
    assert "0.00 USD" in preceptor(*dry)[1], "simulated models cost nothing"
    teacher = ("--set", f"models.teacher={ENDPOINT.replace('PRICE', '')}")
    out = preceptor(*dry, *teacher)[1]
    assert "no price" in out
    assert "USD (without teacher: no price is set)" in out
    others = [f"models.{role}={ENDPOINT.replace('PRICE', '')}" for role in ("student", "customer", "judge")]
    out = preceptor(*dry, *teacher, *(word for one in others for word in ("--set", one)))[1]
    assert "at a cost that is not known" in out
    priced = ENDPOINT.replace("PRICE", ", price_input=2.5, price_output=10")
    out = preceptor(*dry, "--set", f"models.teacher={priced}")[1]
    assert "no price" not in out
