/** docs/performance.md: every part of the bench writes the sections that it measured and leaves the others. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../docs/performance.md");

/** Sections by heading; a new one comes last, an empty text takes one out. */
export function withSections(page: string, sections: Readonly<Record<string, string>>): string {
  const [intro = "", ...rest] = page.split(/^(?=## )/m);
  const kept = new Map(rest.map((section) => [section.slice(3, section.indexOf("\n")), section]));
  for (const [heading, text] of Object.entries(sections)) {
    if (text === "") kept.delete(heading);
    else kept.set(heading, `## ${heading}\n\n${text.trim()}\n\n`);
  }
  return `${[intro.trim(), ...kept.values()].map((part) => part.trim()).join("\n\n")}\n`;
}

/** Rewrites these sections of the page. */
export async function writeSections(sections: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(PAGE, withSections(await readFile(PAGE, "utf8"), sections));
}
