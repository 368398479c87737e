// Numbers in words, as values.py says them: as many digits as the standard error warrants.
const MOST_DECIMALS = 12;
const TINY = 1e-4; // below it a value with its error is told by a power of ten

const magnitude = (value) => Math.floor(Math.log10(Math.abs(value)));
const within = (decimals) => Math.max(0, Math.min(MOST_DECIMALS, decimals));

function plain(value) {
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-6) return value.toExponential(2);
  return value.toFixed(within(3 - magnitude(value)));
}

function said(value, error, unit) {
  return withError(value, error) + (unit ? ` ${unit}` : "");
}

function withError(value, error) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "undefined" : String(value);
  if (error === null || !Number.isFinite(error)) return plain(value);
  if (error === 0) return `${plain(value)} ± 0`;
  const greater = Math.max(Math.abs(value), error);
  if (greater < TINY) {
    const power = magnitude(greater);
    return `(${withError(value / 10 ** power, error / 10 ** power)})e${power}`;
  }
  const decimals = within(Math.min(1 - magnitude(error), 5 - magnitude(greater)));
  const least = 10 ** -decimals;
  const told = error < least / 2 ? `<${least.toFixed(decimals)}` : error.toFixed(decimals);
  return `${value.toFixed(decimals)} ± ${told}`;
}
