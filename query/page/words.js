// How numbers and times are written.

// number writes a number with that many decimals at least; a value has three at most.
export const number = (n, decimals = 0) => n.toLocaleString(undefined, { minimumFractionDigits: decimals, maximumFractionDigits: 3 });

// decimals is how many a value has.
export const decimals = (n) => [0, 1, 2].find((d) => Number(n.toFixed(d)) === n) ?? 3;

// ago says how long ago that many milliseconds are.
export function ago(elapsed) {
  const seconds = Math.max(0, Math.floor(elapsed / 1000));
  if (seconds < 1) return "now";
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (seconds >= size) return `${number(Math.floor(seconds / size))} ${unit} ago`;
  }
}

export const day = (time) => new Date(time).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
