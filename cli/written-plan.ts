/** The plan that is kept beside a stack: found for comparison, and put in its place. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PlanDocument } from "../contract/plan.ts";
import { sizingOf } from "../infra/config.ts";
import { isWrittenPlan, readInput, readWrittenPlan, writePlan } from "../infra/sizing/index.ts";
import { type Side, sideOf } from "../infra/sizing/report/index.ts";
import { parse, readText, type Stack } from "./stack.ts";
import { type NotUnderstood, readSubject } from "./subject.ts";

/** What a plan is compared with. A written plan is what runs, or soon will: the way from it has to hold. */
export type Before = { readonly side: Side; readonly isWritten: boolean };

/** The plan or inputs of the file `diff`, else the plan that was written for the stack, if there is one. */
export async function findBefore(
  stack: Stack | undefined,
  diff: string | undefined,
): Promise<Before | NotUnderstood | undefined> {
  if (diff !== undefined) return readBefore(diff, parse(await readText(diff), diff));
  if (stack === undefined) return undefined;
  const file = fileOf(stack);
  return existsSync(file) ? readBefore(`plans/${stack.name}.json`, parse(await readText(file), file)) : undefined;
}

function readBefore(title: string, content: unknown): Before | NotUnderstood {
  if (isWrittenPlan(content)) {
    const { input, plan, budgets } = readWrittenPlan(content, title);
    const accepted = budgets.every(({ holds, severity }) => holds || severity === "warn");
    return { isWritten: true, side: { title, accepted, plan, budgets, users: usersOf(input) } };
  }
  const reading = readSubject(title, sizingOf(content) ?? content);
  if (!reading.ok) return reading;
  const { document, input } = reading.subject;
  return { isWritten: false, side: sideOf(title, document, input) };
}

/** What `--json` printed has no inputs. */
function usersOf(input: unknown): number | undefined {
  const reading = readInput(input);
  return reading.ok ? reading.input.load.concurrentUsers : undefined;
}

function fileOf({ name, file }: Stack): string {
  return join(dirname(file), "plans", `${name}.json`);
}

/** Writes plans/<stack>.json and answers its path. Never half of it: it is written beside and then put in place. */
export async function keepPlan(stack: Stack, raw: unknown, document: PlanDocument): Promise<string> {
  const file = fileOf(stack);
  const temporary = `${file}.${process.pid}.tmp`;
  await orSay(file, async () => {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(temporary, writePlan(raw, document));
    await rename(temporary, file);
  });
  return file;
}

/** RangeError with the file's name where it cannot be written. */
export async function writeText(file: string, content: string): Promise<void> {
  await orSay(file, () => writeFile(file, content));
}

async function orSay(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    throw new RangeError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
