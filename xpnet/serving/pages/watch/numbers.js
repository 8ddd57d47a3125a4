// Numbers and times as people read them.

// About `digits` significant ones: 0.0312, 12,345, 1.2e-7.
export function short(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    const [digitsPart, power] = value.toExponential(Math.max(0, digits - 2)).split("e");
    const plain = digitsPart.includes(".") ? digitsPart.replace(/\.?0+$/, "") : digitsPart;
    return `${plain}e${Number(power)}`;
  }
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

// Seconds as 42 s, 3:07 or 1:02:09.
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

// Round places of an axis between low and high, about `count` of them.
export function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

// Powers of ten between two numbers, and 2 and 5 between them where there are few; few enough to be read.
export function logTicks(low, high) {
  const found = [];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.ceil((last - first) / 6);
  for (let power = first; power <= last; power += every) {
    for (const part of last - first <= 2 ? [1, 2, 5] : [1]) found.push(part * 10 ** power);
  }
  return found.filter((each) => each >= low * 0.999 && each <= high * 1.001);
}
