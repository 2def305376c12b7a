/** Where the operations of a document are served, and which credentials they want. */
import { DocumentError, isJson, type Json, listAt, member, resolved, textAt, type Version } from "./document.ts";

export type ServerChoice = {
  /** Where the document was fetched from; relative server URLs begin there. */
  readonly documentUrl?: string | undefined;
  readonly baseUrl?: string | undefined;
  /** Which of the document's servers, from 0. */
  readonly server?: number | undefined;
  readonly variables?: Readonly<Record<string, string>> | undefined;
};
export type Address = {
  readonly baseUrl: string | undefined;
  readonly servers: readonly string[];
  readonly problem?: string;
};

/** The base URL of the whole document; `problem` says what is missing. */
export function addressOf(document: Json, version: Version, choice: ServerChoice): Address {
  const servers = version === "2.0" ? olderServers(document, choice.documentUrl) : newerServers(document, choice);
  const wanted = choice.baseUrl ?? servers[choice.server ?? 0] ?? (choice.documentUrl === undefined ? "" : "/");
  const url = URL.canParse(wanted, choice.documentUrl) ? new URL(wanted, choice.documentUrl) : undefined;
  if (choice.server !== undefined && servers[choice.server] === undefined) {
    return { baseUrl: undefined, servers, problem: `server: there are ${servers.length} servers, the first is 0` };
  }
  if (url === undefined || !/^https?:$/.test(url.protocol) || /[{}]/.test(decodeURI(url.pathname))) {
    const said =
      wanted === "" ? "the document names no server" : `its server ${wanted.slice(0, 200)} is no absolute http(s) URL`;
    return { baseUrl: undefined, servers, problem: `${said}: give baseUrl, or the values of its variables` };
  }
  url.hash = "";
  url.search = "";
  url.username = "";
  url.password = "";
  return { baseUrl: url.href.replace(/\/+$/, "") || url.origin, servers };
}

function newerServers(document: Json, { variables = {} }: ServerChoice): string[] {
  return listAt(document, "servers").flatMap((server) => {
    const url = textAt(server, "url");
    return url === undefined ? [] : [filled(url, member(server, "variables"), variables)];
  });
}

/** A variable that is not given has its default; values outside of its enum are not taken. */
function filled(url: string, declared: unknown, given: Readonly<Record<string, string>>): string {
  return url.replaceAll(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = member(declared, name);
    const allowed = listAt(variable, "enum");
    const own = given[name];
    const value =
      own !== undefined && (allowed.length === 0 || allowed.includes(own)) ? own : textAt(variable, "default");
    return value ?? whole;
  });
}

function olderServers(document: Json, documentUrl: string | undefined): string[] {
  const own = documentUrl === undefined ? undefined : new URL(documentUrl);
  const host = textAt(document, "host") ?? own?.host;
  if (host === undefined) return [];
  const schemes = listAt(document, "schemes").filter((one) => one === "https" || one === "http");
  const usable = schemes.length > 0 ? [...schemes].sort().reverse() : [own?.protocol.slice(0, -1) ?? "https"];
  return usable.map((scheme) => `${String(scheme)}://${host}${textAt(document, "basePath") ?? ""}`);
}

/** How a security scheme is given to an upstream; `authType` null where no kind of credential fits. */
export type Scheme = {
  readonly name: string;
  readonly kind: string;
  readonly authType: "basic" | "bearer" | "authheaders" | "query_param" | null;
  /** Fields of the request that carry it. */
  readonly fields: readonly string[];
  /** The header it goes into, or `?` and the query parameter. */
  readonly header: string | null;
  readonly hint: string;
};

export function schemesOf(document: Json, version: Version): Scheme[] {
  const named = version === "2.0" ? document.securityDefinitions : member(document.components, "securitySchemes");
  if (!isJson(named)) return [];
  return Object.entries(named).map(([name, raw]) => {
    try {
      return schemeOf(name, resolved(document, raw));
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      return { name, kind: "unknown", authType: null, fields: [], header: null, hint: error.message };
    }
  });
}

function schemeOf(name: string, scheme: unknown): Scheme {
  const type = textAt(scheme, "type") ?? "";
  const http = (textAt(scheme, "scheme") ?? "").toLowerCase();
  const basic = { authType: "basic", fields: ["authUsername", "authPassword"], header: "authorization" } as const;
  const bearer = { authType: "bearer", fields: ["authToken"], header: "authorization" } as const;
  if (type === "basic" || http === "basic") return { name, kind: "http basic", ...basic, hint: "user and password" };
  if (http === "bearer") return { name, kind: "http bearer", ...bearer, hint: "a token" };
  if (type === "oauth2" || type === "openIdConnect") {
    return { name, kind: type, ...bearer, hint: "an access token, or the upstream's own OAuth settings" };
  }
  if (type === "apiKey") return apiKey(name, textAt(scheme, "in") ?? "", textAt(scheme, "name") ?? "");
  const kind = [type, http].filter((word) => word !== "").join(" ");
  return { name, kind, authType: null, fields: [], header: null, hint: "no kind of credential here fits it" };
}

function apiKey(name: string, where: string, key: string): Scheme {
  const kind = `apiKey in ${where}`;
  const fields = ["authHeaderKey", "authHeaderValue"];
  if (where === "header")
    return { name, kind, authType: "authheaders", fields, header: key.toLowerCase(), hint: `header ${key}` };
  if (where === "cookie") {
    return { name, kind, authType: "authheaders", fields, header: "cookie", hint: `header cookie with ${key}=…` };
  }
  if (where !== "query")
    return { name, kind, authType: null, fields: [], header: null, hint: "there is no such place" };
  const inQuery = ["authQueryParamKey", "authQueryParamValue"];
  const hint = `query parameter ${key}, where INSECURE_ALLOW_QUERYPARAM_AUTH allows it`;
  return { name, kind, authType: "query_param", fields: inQuery, header: `?${key}`, hint };
}

/** Names of the schemes any of which opens the operation; empty when it is open to all. */
export function securityOf(document: Json, operation: Json): readonly (readonly string[])[] {
  const wanted = Array.isArray(operation.security) ? operation.security : listAt(document, "security");
  return wanted.filter(isJson).map((one) => Object.keys(one));
}
