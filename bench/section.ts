/** What a section of the bench is: it measures on the stage, or sets its own, and writes its part of docs/performance.md. */
import type { Pace } from "./rounds.ts";
import type { Stage } from "./stage.ts";

export type Course = Pace & {
  /** A directory in which a person installed other gateways from npm. */
  readonly peers: string | undefined;
  /** Of the overload, for each engine. */
  readonly overloadSeconds: number;
  /** For what only the run needs; it is gone afterwards. */
  readonly directory: string;
  /** As long as the run takes; started when the first section needs it. */
  stage(): Promise<Stage>;
};

export type Section = {
  /** For --only. */
  readonly name: string;
  /** In docs/performance.md. */
  readonly heading: string;
  /** Markdown. */
  run(course: Course): Promise<string>;
};
