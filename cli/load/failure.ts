/** A load test that cannot be done: told in one sentence, exit code 1. */
export class LoadFailure extends Error {
  override readonly name = "LoadFailure";
}
