/** The Date of answers (RFC 9110 §6.6.1), made once a second, and only while answers are sent. */
let date = "";

export function httpDate(): string {
  if (date !== "") return date;
  const now = new Date();
  date = now.toUTCString();
  setTimeout(() => {
    date = "";
  }, 1000 - now.getMilliseconds()).unref();
  return date;
}
