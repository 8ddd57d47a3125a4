// Marks all that the key Tab must reach, and returns how it calls each: of radio buttons of a name, one is enough.
() => {
  const selector = "a[href], button, input, select, textarea, summary, [tabindex]";
  const names = new Map();
  for (const element of document.querySelectorAll(selector)) {
    if (element.tabIndex < 0 || element.disabled || element.type === "hidden" || !element.checkVisibility({ visibilityProperty: true })) continue;
    const group = element.type === "radio" && element.name ? `radio ${element.name}` : "";
    const mark = group || String(names.size);
    element.dataset.reached = mark;
    names.set(mark, element.outerHTML.slice(0, 120));
  }
  return Object.fromEntries(names);
};
