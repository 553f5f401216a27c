// The grid of the ledger: menus that hide its rows, and links that also hide the other rows of the page's tables.
xlgenLive.register("ledger_grid", (panel, data, say) => {
  const { make, choice, button } = xlgenLive;
  const bar = make("div", { class: "live-bar" }, panel);
  const grid = panel.parentElement.querySelector("table.live-grid");
  const lines = [...grid.querySelectorAll("tbody tr")];
  const links = [...grid.querySelectorAll("a")];
  const of = (list) => ({ "": "all", ...Object.fromEntries(list.map((one) => [one, one])) });

  const rows = (ids) => {
    const all = [...document.querySelectorAll("table.ledger tbody tr")];
    for (const row of all) row.hidden = Boolean(ids) && !ids.includes(row.id);
    reset.disabled = !ids;
    return ids ? ` The tables below show ${all.filter((row) => !row.hidden).length} of ${all.length} rows.` : "";
  };
  const show = () => {
    for (const line of lines)
      line.hidden = (paper() && line.dataset.paper !== paper()) ||
        (verdict() && ![...line.querySelectorAll("a")].some((a) => a.dataset.verdict === verdict()));
    say(`${lines.filter((line) => !line.hidden).length} of ${lines.length} tables and figures.`);
  };
  const paper = choice(bar, { label: "paper", options: of(data.papers), change: () => show() });
  const verdict = choice(bar, { label: "verdict", options: of(data.verdicts), change: () => show() });
  const reset = button(bar, "Show all rows", () => (rows(), show()));
  for (const link of links)
    link.addEventListener("click", () => say(`${link.getAttribute("aria-label")}.${rows(link.dataset.rows.split(" "))}`));
  reset.disabled = true;
  show();
});
