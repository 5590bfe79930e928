import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");

/** Words that made texts hard to read: archaic ones, headless relatives, and those that make people of code. */
const banned = [
  ...["anew", "of late", "whoever", "besides", "nobody", "somebody", "anybody", "those that", "farewell"],
  ...["befall", "befalls", "befell", "outrun", "bettered", "makes nothing", "for want of"],
  ...["is told", "are told", "was told", "were told"],
];
/** A whole string is a value of the API or of an event, such as `by: "nobody"`, and no prose. */
const pattern = new RegExp(`(?<!["'\`])\\b(${banned.join("|")})\\b(?!["'\`]|: true)`, "gi");

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

const folders = ["src", "docs", "public", "packaging"].flatMap((folder) => filesBelow(join(root, folder)));
const pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map((name) => join(root, name));
const files = [...folders, ...pages].filter((path) =>
  /\.(tsx?|js|css|md|json|ya?ml|sh|service|conf)$/.test(path),
);

describe("the prose of code and documentation", () => {
  test("uses none of the words to avoid", () => {
    expect(files.length).toBeGreaterThan(300);
    const found = files.flatMap((path) =>
      readFileSync(path, "utf8")
        .split("\n")
        // A comment or text may break between two words.
        .map(
          (line, index, lines) =>
            [`${line} ${(lines[index + 1] ?? "").replace(/^\W+/, "")}`, line, index] as const,
        )
        .flatMap(([joined, line, index]) =>
          [...joined.matchAll(pattern)]
            .filter(({ index: at }) => at < line.length)
            .map(([word]) => `${relative(root, path)}:${index + 1} ${word}`),
        ),
    );
    expect(found).toEqual([]);
  });
});
