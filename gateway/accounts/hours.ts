/** Hours of the day in which a token is good, in its own time zone. */
import type { TokenHours } from "../store/index.ts";

const MINUTE_MS = 60_000;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const formats = new Map<string, Intl.DateTimeFormat>();

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** `from` counts, `to` does not. A span over midnight belongs to the day it begins on. Both equal: the whole day. */
export function isWithin({ from, to, timeZone, days }: TokenHours, at: number): boolean {
  const { minute, day } = localTime(timeZone, at);
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const isOvernight = end <= begin;
  const isAfter = minute >= begin && (isOvernight || minute < end);
  const isEarly = isOvernight && minute < end;
  if (isAfter) return days === undefined || days.includes(day);
  return isEarly && (days === undefined || days.includes((day + 6) % 7));
}

function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * 60 + minutes;
}

type Local = { readonly minute: number; readonly day: number };
/** Of the minute that was asked about last, by time zone: requests come many to a minute. */
const latest = new Map<string, { readonly at: number; readonly local: Local }>();

function localTime(timeZone: string, at: number): Local {
  const minuteNow = Math.floor(at / MINUTE_MS);
  const known = latest.get(timeZone);
  if (known?.at === minuteNow) return known.local;
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const minute = Number(parts.get("hour")) * 60 + Number(parts.get("minute"));
  const local = { minute, day: DAYS.indexOf(parts.get("weekday") ?? "") };
  latest.set(timeZone, { at: minuteNow, local });
  return local;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  formats.set(timeZone, made);
  return made;
}
