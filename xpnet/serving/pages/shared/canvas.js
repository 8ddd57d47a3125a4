// Canvases that are sharp on every screen: one pixel of theirs is one of the screen's, or a whole number of them.

// Gives the canvas a size in CSS pixels; returns its context, scaled so that one draws in CSS pixels.
export function sharp(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const [columns, rows] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  canvas.style.width = `${columns / ratio}px`;
  canvas.style.height = `${rows / ratio}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width + 1, height + 1);
  return context;
}

// CSS pixels for each pixel of a small picture that is shown enlarged: near to what is wanted, and a whole number of
// the screen's pixels, so that all of its pixels are equally large. The canvas needs the class "pixels".
export function enlargement(wanted) {
  const ratio = devicePixelRatio || 1;
  return Math.max(1, Math.round(wanted * ratio)) / ratio;
}

// What 1rem is at the moment, in CSS pixels.
export function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

// Calls draw before the next picture of the screen, once, however often it was asked for until then.
export function oncePerFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

// Called when the window's size changes, or it moves to a screen with other pixels.
export function onResize(listener) {
  addEventListener("resize", listener);
}
