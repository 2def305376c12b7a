/** What fails in the lean client, under the names that operators know from undici and llhttp. */

/** The bytes of a response break HTTP/1.1, or use a part of it that a request of ours cannot lead to. */
export class InvalidResponse extends Error {
  override readonly name = "HTTPParserError";
  /** As llhttp names it; undefined for what does not even begin like HTTP. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** A request that could not be sent or whose connection is gone. */
export class ConnectionError extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}
