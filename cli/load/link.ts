/** One keep-alive connection to the gateway that carries one request after the other and opens itself anew when it was closed. */
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type HttpAnswer, ResponseReader, UnreadableAnswer } from "./http-reader.ts";

/** `unreached`: there was no connection on which to ask. */
export type LinkFailure = { readonly kind: string; readonly unreached: boolean };

export interface Link {
  /** `done` is called once, never before send() has returned. Only one request at a time. */
  send(request: string, done: (answer: HttpAnswer | LinkFailure) => void): void;
  close(): void;
}

export type LinkOptions = { readonly url: URL; readonly timeoutMs: number; readonly tls?: ConnectionOptions };

export function isFailure(answer: HttpAnswer | LinkFailure): answer is LinkFailure {
  return "kind" in answer;
}

export class SocketLink implements Link {
  readonly #options: LinkOptions;
  #socket: Socket | undefined;
  #isOpen = false;
  #reader = new ResponseReader();
  #done: ((answer: HttpAnswer | LinkFailure) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  send(request: string, done: (answer: HttpAnswer | LinkFailure) => void): void {
    this.#done = done;
    this.#timer = setTimeout(() => this.#fail("timeout"), this.#options.timeoutMs);
    this.#socket ??= this.#open();
    this.#socket.write(request);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#done = undefined;
    this.#drop();
  }

  #open(): Socket {
    const { url, tls } = this.#options;
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const isTls = url.protocol === "https:";
    const socket = isTls
      ? connectTls({ host, port, ...(/[:\d]$/.test(host) ? {} : { servername: host }), ...tls })
      : connect(port, host);
    this.#reader = new ResponseReader();
    this.#isOpen = false;
    // Events of a socket that was given up already concern nobody.
    const mine = (listener: () => void) => () => {
      if (this.#socket === socket) listener();
    };
    socket.setNoDelay(true);
    socket.once(
      isTls ? "secureConnect" : "connect",
      mine(() => {
        this.#isOpen = true;
      }),
    );
    socket.on("data", (chunk: Buffer) => {
      if (this.#socket === socket) this.#read(chunk);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (this.#socket === socket) this.#fail(`socket ${error.code ?? error.message}`);
    });
    socket.once(
      "close",
      mine(() => this.#ended()),
    );
    return socket;
  }

  #read(chunk: Buffer): void {
    try {
      const answer = this.#reader.push(chunk);
      if (answer !== undefined) this.#finish(answer);
    } catch (error) {
      if (!(error instanceof UnreadableAnswer)) throw error;
      this.#fail(`unreadable: ${error.message}`);
    }
  }

  #ended(): void {
    const answer = this.#reader.end();
    if (answer !== undefined) this.#finish(answer);
    else if (this.#done !== undefined) this.#fail("socket closed");
    else this.#drop();
  }

  #finish(answer: HttpAnswer): void {
    const done = this.#done;
    // Nothing was asked: what came unasked (a 408 before the close) ends the connection.
    if (done === undefined || !answer.keepAlive) this.#drop();
    clearTimeout(this.#timer);
    this.#done = undefined;
    done?.(answer);
  }

  #fail(kind: string): void {
    const unreached = !this.#isOpen;
    const done = this.#done;
    clearTimeout(this.#timer);
    this.#done = undefined;
    this.#drop();
    done?.({ kind, unreached });
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#isOpen = false;
  }
}

/** One request and its answer, over a link that is used for nothing else meanwhile. Never rejects. */
export function exchange(link: Link, request: string): Promise<HttpAnswer | LinkFailure> {
  return new Promise((resolve) => link.send(request, resolve));
}
