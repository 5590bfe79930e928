/** Renders the effective configuration, as YAML or as a list, with the source of every value and without secrets. */

import { Document, isCollection, isMap, isScalar, type Node } from "yaml";

import { describeAccount } from "./cross-checks.ts";
import type { ResolvedConfig } from "./defaults.ts";
import { nameOf, type Path } from "./problem.ts";
import { flattenConfig, toConfigFile } from "./to-file.ts";

/**
 * Renders a configuration file with the same meaning; comments name the sources.
 * @param sourceOf source of the value at a path: "flag --port", "default" …
 */
export function effectiveYaml(
  resolved: ResolvedConfig,
  sourceOf: (path: Path) => string,
  {
    warnings = [],
    notes = [],
  }: { readonly warnings?: readonly string[]; readonly notes?: readonly string[] } = {},
): string {
  const document = new Document(toConfigFile(resolved), { aliasDuplicateObjects: false });
  const title = "ok: the effective configuration, with the source of each value";
  document.commentBefore = [
    title,
    ...warnings.map((warning) => `warning: ${warning}`),
    ...notes.map((note) => `note: ${note}`),
  ]
    .map((line) => ` ${line}`)
    .join("\n");
  if (document.contents) annotate(document.contents, [], sourceOf);
  const admin = document.get("admin", true);
  const secrets = adminSecrets(resolved, sourceOf);
  const others = otherSecrets(sourceOf).map(({ name, value, source }) => ` ${name}: ${value} # ${source}`);
  if (others.length > 0) document.comment = others.join("\n");
  if (secrets.length > 0 && isMap(admin)) {
    const lines = secrets.map(
      ({ name, value, source }) => ` ${name.slice("admin.".length)}: ${value} # ${source}`,
    );
    admin.comment = lines.join("\n");
  }
  return document.toString({ lineWidth: 0 });
}

/** One value of the effective configuration. */
export interface Setting {
  /** "pools.main.retries" */
  readonly name: string;
  /** As in a configuration file; "(set)" for a secret. */
  readonly value: string;
  /** "flag --port", "env PROXY_PORT", "file evenkeel.yaml:3" or "default". */
  readonly source: string;
}

/** The effective configuration as a list of single values. */
export function settingsOf(resolved: ResolvedConfig, sourceOf: (path: Path) => string): readonly Setting[] {
  const found = flattenConfig(toConfigFile(resolved)).map(({ path, value }) => ({
    name: nameOf(path),
    value: plain(value),
    source: sourceOf(path),
  }));
  const lastAdmin = found.findLastIndex(({ name }) => name.startsWith("admin."));
  const secrets = [...adminSecrets(resolved, sourceOf), ...otherSecrets(sourceOf)];
  return found.toSpliced(lastAdmin + 1, 0, ...secrets);
}

/** Shows that the token and the accounts are set, without their secrets. */
function adminSecrets({ config }: ResolvedConfig, sourceOf: (path: Path) => string): readonly Setting[] {
  const { token, users = [], tokens = [] } = config.admin;
  const setting = (path: Path, value: string) => ({ name: nameOf(path), value, source: sourceOf(path) });
  return [
    ...(token === undefined ? [] : [setting(["admin", "token"], "(set)")]),
    ...users.map((user, index) => setting(["admin", "users", String(index)], describeAccount(user))),
    ...tokens.map((account, index) => setting(["admin", "tokens", String(index)], describeAccount(account))),
  ];
}

/** Shows that the secrets of sticky cookies, of the fleet and of alerts are set. Secrets from files show as the names of the files. */
function otherSecrets(sourceOf: (path: Path) => string): readonly Setting[] {
  return [["stickySecret"], ["fleet", "password"], ["fleet", "key"], ["alertSecret"]].flatMap((path) => {
    const source = sourceOf(path);
    return source === "default" ? [] : [{ name: nameOf(path), value: "(set)", source }];
  });
}

/** "round-robin", "[10.0.0.0/8]", "{ url: http://a:80, weight: 1 }" */
function plain(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plain).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${plain(inner)}`);
  return pairs.length > 0 ? `{ ${pairs.join(", ")} }` : "{}";
}

/** Puts list entries on one line each, and adds the source as a comment to every such line and every single value. */
function annotate(node: unknown, path: Path, sourceOf: (path: Path) => string): void {
  if (isMap(node) && !node.flow) {
    for (const { key, value } of node.items) {
      annotate(value, [...path, String(isScalar(key) ? key.value : key)], sourceOf);
    }
  } else if (isCollection(node) && !node.flow && node.items.length > 0) {
    for (const [index, item] of node.items.entries()) {
      if (isCollection(item)) item.flow = true;
      annotate(item, [...path, String(index)], sourceOf);
    }
  } else {
    if (isCollection(node)) node.flow = true;
    (node as Node).comment = ` ${sourceOf(path)}`;
  }
}
