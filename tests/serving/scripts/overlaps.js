// Pairs of sections of the page of which one lies over the other, with all that is shown in them.
() => {
  const isShown = (each) => each.checkVisibility({ visibilityProperty: true });
  const sections = [...document.querySelectorAll("main section, main aside, main .room")].filter(isShown);
  const floats = (each) => ["absolute", "fixed", "sticky"].includes(getComputedStyle(each).position);
  // The box of a section and of what is in it, but for what is cut off, or lies above the page on purpose.
  const boxOf = (section) => {
    const box = { top: Infinity, bottom: -Infinity, left: Infinity, right: -Infinity };
    const take = (each) => {
      const { top, bottom, left, right, width, height } = each.getBoundingClientRect();
      if (each !== section && floats(each)) return;
      if (isShown(each) && width && height) {
        Object.assign(box, {
          top: Math.min(box.top, top),
          bottom: Math.max(box.bottom, bottom),
          left: Math.min(box.left, left),
          right: Math.max(box.right, right),
        });
      }
      const isCut = getComputedStyle(each).overflow !== "visible";
      if (!isCut && each.tagName !== "svg") for (const child of each.children) take(child);
    };
    take(section);
    return box;
  };
  const boxes = sections.map(boxOf);
  const name = (each) => each.id || each.className;
  const found = [];
  sections.forEach((one, i) => {
    sections.slice(i + 1).forEach((other, k) => {
      if (one.contains(other) || floats(one) || floats(other)) return;
      const [a, b] = [boxes[i], boxes[i + 1 + k]];
      const [across, down] = [
        Math.min(a.right, b.right) - Math.max(a.left, b.left),
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top),
      ];
      if (across > 1 && down > 1) found.push(`${name(one)} and ${name(other)}: ${across.toFixed()} x ${down.toFixed()}`);
    });
  });
  return found;
}
