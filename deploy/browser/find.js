// Finds what a person would look for, by the name that it is read out with:
// something to press, or a field, the first or the second where the name ends
// in @1 or @2. Answers where it can be pressed, or why not.
(kind, name) => {
  const words = (text) => (text || "").replace(/\s+/g, " ").trim();
  const shown = (e) => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== "hidden";
  const nameOf = (e) => e.getAttribute("aria-label") || words(e.textContent);
  let known;
  if (kind === "press") {
    known = [...document.querySelectorAll("a[href], button, summary")].filter(shown).map((e) => [nameOf(e), e]);
  } else {
    known = [...document.querySelectorAll("label")].filter((l) => l.control && shown(l.control)).map((l) => [words(l.textContent), l.control]);
  }
  const [, called, place] = name.match(/^(.*?)(?:@(\d))?$/);
  let found = known.filter(([n]) => n === called).map(([, e]) => e);
  if (place && found.length > 1) found = found.slice(place - 1, place);
  if (found.length !== 1) {
    return { why: `${found.length} are called so on “${document.title}”; there are: ${known.map(([n]) => n).join(" | ")}` };
  }
  const element = found[0];
  element.scrollIntoView({ block: "center", behavior: "instant" });
  const box = element.getClientRects()[0];
  const [x, y] = [box.x + Math.min(box.width / 2, 150), box.y + box.height / 2];
  const there = document.elementFromPoint(x, y);
  if (!there || (there !== element && !element.contains(there))) {
    return { why: `it is covered by ${there ? there.outerHTML.slice(0, 200) : "nothing"}` };
  }
  window.pwFound = element;
  return { x, y };
}
