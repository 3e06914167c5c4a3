"""axe-core in a page."""

from functools import cache
from typing import TYPE_CHECKING, Any

from tests.node_modules import node_path

if TYPE_CHECKING:
    from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})"


def check_accessibility(page: "Page") -> None:
    """Fail if axe-core finds anything in a page as it is now.

    page (Page): The page; scripts must run in it.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(read_axe())
    result: dict[str, Any] = page.evaluate(RUN, RULES)
    # As a page without content would pass, too.
    assert result["passes"], "axe-core found nothing to check"
    assert not result["violations"], "\n".join(map(describe, result["violations"]))


@cache
def read_axe() -> str:
    return node_path("axe-core/axe.min.js").read_text("utf-8")


def describe(violation: dict[str, Any]) -> str:
    nodes = [f"{node['target']} {node['html'][:200]}: {node['failureSummary']}" for node in violation["nodes"][:5]]
    return f"{violation['id']}: {violation['help']}\n" + "\n".join(nodes)
