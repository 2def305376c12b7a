/** Periods as cron expressions: cron knows minutes, hours and days, not "every seven hours". */

const HOURS_PER_DAY = 24;
/** Periods of hours that divide a day, and of days: the largest that is not longer than asked for is taken. */
const HOURLY = [1, 2, 3, 4, 6, 8, 12, 24];
/** Not on the hour, when everybody's schedules start. */
const MINUTE = 17;
const FIRST_HOUR = 2;

/**
 * Five fields, UTC: runs at least every `periodH` hours (from an hour up; below it, every hour), at two in the night where it runs once
 * a day, `offset` (0 to 1) of a period later than another with the same period. Longer than a day becomes a day.
 */
export function fractionOfDay(periodH: number, offset: number): string {
  const every = HOURLY.findLast((hours) => hours <= periodH) ?? 1;
  const shiftedMinutes = Math.round(offset * every * 60) + MINUTE;
  const minute = shiftedMinutes % 60;
  const shiftH = Math.floor(shiftedMinutes / 60);
  const first = (FIRST_HOUR + shiftH) % every;
  if (every === HOURS_PER_DAY) return `${minute} ${(FIRST_HOUR + shiftH) % HOURS_PER_DAY} * * *`;
  return `${minute} ${every === 1 ? "*" : `${first}-23/${every}`} * * *`;
}
