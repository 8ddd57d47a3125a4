// Small pictures of the data sets, for the buttons that choose them: [x1, x2, target] in the plane from -6 to 6.

export function sketch(name) {
  return SKETCHES[name](chance());
}

// The same sequence of numbers from 0 to 1 each time.
function chance() {
  let now = 7;
  return () => {
    now = (now * 16807) % 2147483647;
    return now / 2147483647;
  };
}

function times(count, make) {
  return Array.from({ length: count }, (_, i) => make(i));
}

function around(next, spread) {
  return spread * (next() + next() + next() - 1.5);
}

function ring(next, least, most, target) {
  const angle = 2 * Math.PI * next();
  const radius = least + (most - least) * Math.sqrt(next());
  return [radius * Math.sin(angle), radius * Math.cos(angle), target];
}

function cloud(next, count, x, y, spread, target) {
  return times(count, () => [x + around(next, spread), y + around(next, spread), target]);
}

function bump(x, y) {
  const places = [
    [-4, 2.5, 1],
    [0, 2.5, -1],
    [4, 2.5, 1],
    [-4, -2.5, -1],
    [0, -2.5, 1],
    [4, -2.5, -1],
  ];
  return places.reduce((sum, [px, py, sign]) => sum + sign * Math.max(0, 1 - Math.hypot(x - px, y - py) / 2), 0);
}

const SKETCHES = {
  circle: (next) => [...times(50, () => ring(next, 0, 2.4, 1)), ...times(60, () => ring(next, 3.8, 5.4, 0))],
  xor: (next) =>
    times(110, () => {
      const [x, y] = [10 * next() - 5, 10 * next() - 5];
      return [x + 0.4 * Math.sign(x), y + 0.4 * Math.sign(y), x * y >= 0 ? 1 : 0];
    }),
  gauss: (next) => [...cloud(next, 55, 2.2, 2.2, 1.8, 1), ...cloud(next, 55, -2.2, -2.2, 1.8, 0)],
  spiral: () =>
    [0, 1].flatMap((target) =>
      times(60, (i) => {
        const [angle, radius] = [(1.75 * i * 2 * Math.PI) / 60 + target * Math.PI, (5.4 * i) / 60];
        return [radius * Math.sin(angle), radius * Math.cos(angle), target];
      }),
    ),
  blobs: (next) =>
    [
      [-3, 3],
      [3, 3],
      [-3, -3],
      [3, -3],
    ].flatMap(([x, y], k) => cloud(next, 22, x, y, 1.6, k)),
  own: () => [
    [-3.4, 0.6, 1],
    [-1.2, 3, 1],
    [-2.4, -3, 1],
    [2.6, 2, 0],
    [3.6, -1.6, 0],
    [0.6, -0.6, 0],
  ],
  plane: (next) =>
    times(110, () => {
      const [x, y] = [11 * next() - 5.5, 11 * next() - 5.5];
      return [x, y, (x + y) / 10];
    }),
  multigauss: (next) =>
    times(150, () => {
      const [x, y] = [11 * next() - 5.5, 11 * next() - 5.5];
      return [x, y, bump(x, y)];
    }),
};
