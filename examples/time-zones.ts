/**
 * What the example server knows of time: conversion of a wall-clock time between IANA zones, honest about dates and
 * clock changes. Pure: the present instant is an argument.
 */

/** A request the caller can correct; its text becomes a tool error. */
export class TimeError extends Error {}

export type ZonedTime = {
  readonly timezone: string;
  /** ISO 8601 with offset, for example 2026-11-21T09:00:00+01:00. */
  readonly datetime: string;
  readonly date: string;
  /** HH:MM */
  readonly time: string;
  readonly dayOfWeek: string;
};

export type Conversion = {
  readonly source: ZonedTime;
  readonly target: ZonedTime;
  /** Target offset minus source offset at that instant, for example -1 or 5.5. */
  readonly differenceHours: number;
  /** Set when the source zone's clock change makes the wall time skipped or doubled on that date. */
  readonly note?: string;
};

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NANOSECONDS_PER_HOUR = 3_600_000_000_000;

/** Every zone name of this machine's time zone data, sorted, UTC included. */
export function zoneNames(): readonly string[] {
  return [...new Set([...Intl.supportedValuesOf("timeZone"), "UTC"])].sort();
}

function similarZones(name: string): readonly string[] {
  const words = name
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word.length > 2);
  return zoneNames()
    .filter((zone) => words.some((word) => zone.toLowerCase().includes(word)))
    .slice(0, 5);
}

/** The zone's local time at an instant; throws TimeError for a name that is no IANA zone. */
function inZone(instant: Temporal.Instant, zone: string): Temporal.ZonedDateTime {
  // Temporal takes bare offsets as zones too, but an offset has no clock changes: the answer would look more certain than it is.
  if (/^[A-Za-z]/.test(zone)) {
    try {
      return instant.toZonedDateTimeISO(zone);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  const similar = similarZones(zone);
  const hint = similar.length > 0 ? ` Did you mean ${similar.join(", ")}?` : "";
  throw new TimeError(
    `Unknown time zone ${JSON.stringify(zone.slice(0, 80))}. Allowed are IANA names such as Europe/Berlin, America/New_York or UTC; the resource time://zones lists all.${hint}`,
  );
}

function describe(moment: Temporal.ZonedDateTime): ZonedTime {
  return {
    timezone: moment.timeZoneId,
    datetime: moment.toString({ smallestUnit: "second", timeZoneName: "never" }),
    date: moment.toPlainDate().toString(),
    time: moment.toPlainTime().toString({ smallestUnit: "minute" }),
    dayOfWeek: DAYS[moment.dayOfWeek - 1] ?? "",
  };
}

export function currentTime(timezone: string, now: Temporal.Instant): ZonedTime {
  return describe(inZone(now, timezone));
}

/**
 * Converts HH:MM (00:00–23:59) on today's date in the source zone. Throws TimeError for a bad zone or time. A time that the
 * spring change skips is moved forward by the gap; of a doubled one the earlier is taken; `note` says so in both cases.
 */
export function convertTime(source: string, target: string, time: string, now: Temporal.Instant): Conversion {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(time);
  if (match === null) {
    throw new TimeError(`Bad time ${JSON.stringify(time.slice(0, 80))}. Allowed is HH:MM from 00:00 to 23:59.`);
  }
  const today = inZone(now, source).toPlainDate();
  inZone(now, target);
  const wall = today.toPlainDateTime({ hour: Number(match[1]), minute: Number(match[2]) });
  const moment = wall.toZonedDateTime(source, { disambiguation: "earlier" });
  const later = wall.toZonedDateTime(source, { disambiguation: "later" });
  const skipped = !moment.toPlainDateTime().equals(wall);
  // In a gap "later" is the reading with the old offset, which is what a clock that was not changed would mean.
  const chosen = skipped ? later : moment;
  const there = chosen.withTimeZone(target);
  const note = skipped
    ? `${time} does not exist on ${today} in ${source}: the clocks go forward; ${chosen.toPlainTime().toString({ smallestUnit: "minute" })} was used`
    : later.equals(moment)
      ? undefined
      : `${time} happens twice on ${today} in ${source}: the clocks go back; the first was used`;
  return {
    source: describe(chosen),
    target: describe(there),
    differenceHours: (there.offsetNanoseconds - chosen.offsetNanoseconds) / NANOSECONDS_PER_HOUR,
    ...(note === undefined ? {} : { note }),
  };
}
