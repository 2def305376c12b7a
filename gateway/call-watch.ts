/** Everyone who follows the requests to upstreams, as one. Part of the composition root. */
import type { CallWatch } from "./sessions/index.ts";

/** They are asked in their order, and the first refusal counts; all are told of the end, of a refused request too. */
export function joinWatches(watches: readonly CallWatch[]): CallWatch {
  const answering = watches.filter((watch) => watch.mayAnswer !== undefined);
  return {
    // Not there where nobody looks at results: then none is looked at.
    ...(answering.length === 0
      ? {}
      : {
          mayAnswer(call, raw, result) {
            for (const watch of answering) {
              const refused = watch.mayAnswer?.(call, raw, result);
              if (refused !== undefined) return refused;
            }
            return undefined;
          },
        }),
    mayBegin(call) {
      // By index: this is on the way of every call.
      for (let index = 0; index < watches.length; index++) {
        const answer = watches[index]?.mayBegin(call);
        if (answer === undefined) continue;
        if (!(answer instanceof Promise)) return answer;
        const others = joinWatches(watches.slice(index + 1));
        return answer.then((refused) => refused ?? others.mayBegin(call));
      }
      return undefined;
    },
    ended(call, outcome, ms) {
      for (const watch of watches) watch.ended(call, outcome, ms);
    },
  };
}
