// What outlives a reload of this tab: the drawing, and which networks were chosen. What a network has learnt on this
// page does not: whoever leaves it is asked first.

const KEY = "digit";

export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

export function keepUntilNextTime(drawing, networks, trainings) {
  const { ink, isPicture } = kept();
  if (ink) {
    drawing.isPicture = Boolean(isPicture);
    drawing.put(Uint8Array.from(atob(ink), (letter) => letter.charCodeAt(0)));
  }
  addEventListener("pagehide", () => {
    const letters = Array.from(drawing.ink(), (value) => String.fromCharCode(value)).join("");
    const now = { ink: drawing.isBlank ? "" : btoa(letters), isPicture: drawing.isPicture, networks: networks.wanted };
    sessionStorage.setItem(KEY, JSON.stringify(now));
  });
  addEventListener("beforeunload", (event) => {
    const isTaught = networks.filled().some((slot) => networks.slots[slot].taught);
    if (isTaught || trainings.areUnderWay) event.preventDefault();
  });
}
