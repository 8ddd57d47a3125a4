// What is wider than the window: the elements that reach beyond it, if the page can be scrolled to the side.
() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const beyond = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > clientWidth + 1);
  return [`${scrollWidth} > ${clientWidth}`, ...beyond.map((each) => each.outerHTML.slice(0, 100))].slice(0, 12);
};
