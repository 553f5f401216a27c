// The grid of the ledger: menus and links that choose its lines and the claims in the tables of the page.
xlgenLive.register("ledger_grid", (panel, data, say) => {
  const { make, choice, button } = xlgenLive;
  const bar = make("div", { class: "live-bar" }, panel);
  const lines = [...panel.parentElement.querySelectorAll("table.live-grid tbody tr")];
  const folds = [...document.querySelectorAll("details.ledger-paper")];
  const of = (list) => ({ "": "all", ...Object.fromEntries(list.map((one) => [one, one])) });
  const chosen = Object.fromEntries(Object.entries(data.menus).map(([name, list]) =>
    [name, choice(bar, { label: data.names[name] || name, options: of(list), change: () => show() })]));
  const menu = Object.fromEntries(Object.keys(chosen).map((name, at) => [name, bar.querySelectorAll("select")[at]]));

  const show = () => {
    const asked = Object.entries(chosen).map(([name, value]) => [name, value()]).filter(([, value]) => value);
    const fits = (row) => asked.every(([name, value]) => (row.dataset[name] || "").split("|").includes(value));
    for (const line of lines) {
      const about = asked.filter(([name]) => name in line.dataset);
      line.hidden = about.some(([name, value]) => line.dataset[name] !== value) ||
        (chosen.verdict() && ![...line.querySelectorAll("a")].some((a) => a.dataset.verdict === chosen.verdict()));
    }
    let claims = 0, all = 0;
    for (const fold of folds) {
      const rows = [...fold.querySelectorAll("table.ledger tbody tr")];
      for (const row of rows) row.hidden = !fits(row);
      const named = rows.filter((row) => row.id), seen = named.filter((row) => !row.hidden);
      (claims += seen.length), (all += named.length);
      fold.hidden = !seen.length;
      if (asked.length) fold.open = Boolean(seen.length);
    }
    reset.disabled = !asked.length;
    const grid = `${lines.filter((line) => !line.hidden).length} of ${lines.length} tables and figures`;
    say(all ? `${grid}, ${claims} of ${all} claims.` : `${grid}.`);
  };
  const choose = (values) => {
    for (const [name, select] of Object.entries(menu)) select.value = values[name] || "";
    show();
  };
  const reset = button(bar, "Show all", () => choose({}));
  for (const line of lines)
    for (const link of line.querySelectorAll("a"))
      link.addEventListener("click", () => choose({ item: line.dataset.item, verdict: link.dataset.verdict }));
  const unfold = () => {
    const row = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = row && row.closest("details.ledger-paper");
    if (fold && !fold.open) (fold.open = true), row.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  addEventListener("beforeprint", () => folds.forEach((fold) => (fold.open = true)));
  show();
  unfold();
});
