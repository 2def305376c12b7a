/** The two pages that people see who authorise the gateway at an upstream. No script, nothing from elsewhere. */
import type { RestResponse } from "../../contract/http.ts";

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
  // The address holds the code.
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

function page(status: number, title: string, content: string): RestResponse {
  const style =
    "body{font:16px/1.5 system-ui;max-width:36rem;margin:15vh auto;padding:0 1rem}button{font:inherit;padding:.4rem 1rem}";
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><style>${style}</style><h1>${title}</h1>${content}</html>`;
  return { status, headers: HEADERS, body };
}

export function donePage(upstream: string, principalId: string): RestResponse {
  const text = `<p>This gateway may now use <b>${escaped(upstream)}</b> for <b>${escaped(principalId)}</b>. You can close this window.</p>`;
  return page(200, "Authorised", text);
}

/** Whoever followed a link of somebody else's would give him access: so he is told for whom it is. `action`: where the button leads. */
export function confirmPage(upstream: string, principalId: string, action: string): RestResponse {
  const text =
    `<p>You are about to let the gateway's user <b>${escaped(principalId)}</b> use your account at <b>${escaped(upstream)}</b>.</p>` +
    "<p>If that is not you, close this window: somebody may have sent you this link.</p>" +
    `<form method="post" action="${escaped(action)}"><button>That is me, go on</button></form>`;
  return page(200, "Is this you?", text);
}

export function failedPage(status: number, reason: string): RestResponse {
  return page(status, "Not authorised", `<p>${escaped(reason)}</p>`);
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
