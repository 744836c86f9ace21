// One stop of the Tab key for a whole grid of days; arrow keys go from day to day. Without this file each is a stop.

const cellsOf = (row) => [...row.querySelectorAll("a.day-cell")];

function oneStop() {
  for (const grid of document.querySelectorAll("[data-day-grid]")) {
    const all = cellsOf(grid);
    const held = all.find((cell) => cell === document.activeElement) ?? all.at(-1);
    for (const cell of all) cell.tabIndex = cell === held ? 0 : -1;
  }
}
oneStop();
document.addEventListener("htmx:after:swap", oneStop);

// To the nearest day that has runs: along its line, or in the next line that has any.
function next(cell, key) {
  const row = cell.closest("tr");
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const cells = cellsOf(row);
    return cells[cells.indexOf(cell) + (key === "ArrowLeft" ? -1 : 1)];
  }
  const column = cell.closest("td").cellIndex;
  const step = key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling";
  for (let other = row[step]; other; other = other[step]) {
    const near = cellsOf(other).filter((one) => one.checkVisibility());
    const far = (one) => Math.abs(one.closest("td").cellIndex - column);
    if (near.length) return near.reduce((best, one) => (far(one) < far(best) ? one : best));
  }
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("[data-day-grid] a.day-cell");
  if (!cell || !event.key.startsWith("Arrow")) return;
  event.preventDefault();
  next(cell, event.key)?.focus();
  oneStop();
});
