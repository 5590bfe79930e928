/** Members from a watched file, as another program or a person writes it. */

import { readFileSync, type Stats, statSync } from "node:fs";

import type { PoolConfig } from "../config/config.ts";
import type { MemberTemplate } from "../config/discovery.ts";
import { type FileSettings, type MembersFile, membersFileSchema } from "../config/file-source.ts";
import { parseAddress } from "../config/network.ts";
import { nameOf, quote, type SourceLocation } from "../config/problem.ts";
import { schemaErrors } from "../config/schema-kit.ts";
import { expandEntries } from "../config/upstreams.ts";
import { readFileText, readReferencedFile, type ReadText } from "../config/yaml-file.ts";
import { type Cancel, repeat } from "../lib/clock.ts";
import { watchFile } from "../lib/file-watch.ts";
import {
  type DiscoveredMember,
  type DiscoverySource,
  type EntryOf,
  memberAt,
  type SourceContext,
} from "./source.ts";

/** For file systems that report no changes, and a folder that is not there yet. */
const pollMs = 5_000;

/** Enough for a thousand members with all that they may have. */
const maxFileBytes = 1_048_576;

export function createFileSource(
  { source: { path }, template }: EntryOf<FileSettings>,
  { schedule }: Pick<SourceContext, "schedule">,
): DiscoverySource {
  return {
    start(listener) {
      // A large file that stays the same is parsed once.
      let last: { readonly text: string; readonly members: readonly DiscoveredMember[] | string } | undefined;
      let unwatch: Cancel | undefined;
      const read = () => {
        unwatch ??= watchIfPossible(path, read, schedule);
        const found = readMembers(path, readIfPresent);
        if ("why" in found) return listener.failed(`${path}: ${found.why}`);
        if (found.text !== last?.text)
          last = { text: found.text, members: membersIn(found.text, path, template) };
        const { members } = last;
        if (typeof members === "string") listener.failed(members);
        else if (members.length === 0) listener.absent(`${path} lists no members`);
        else listener.answered({ members });
      };
      const cancelPoll = repeat(schedule, pollMs, read);
      read();
      return () => {
        cancelPoll();
        unwatch?.();
      };
    },
  };
}

/** Undefined while the folder of the file is not there. */
function watchIfPossible(
  path: string,
  onChange: () => void,
  schedule: SourceContext["schedule"],
): Cancel | undefined {
  try {
    return watchFile(path, onChange, schedule);
  } catch {
    return undefined;
  }
}

/** A clause for each file of members that the configuration names and that cannot be used as it is now. */
export function membersFileProblems(
  pools: readonly Pick<PoolConfig, "name" | "discovery">[],
  read: ReadText,
): readonly string[] {
  return pools.flatMap(({ name, discovery = [] }) =>
    discovery.flatMap(({ source, template }) => {
      if (source.kind !== "file") return [];
      const found = readMembers(source.path, read);
      if ("why" in found) return [`pool ${name}: ${source.path}: ${found.why}`];
      const members = membersIn(found.text, source.path, template);
      return typeof members === "string" ? [`pool ${name}: ${members}`] : [];
    }),
  );
}

const readIfPresent: ReadText = (path) =>
  statSync(path, { throwIfNoEntry: false }) ? readFileSync(path, "utf8") : undefined;

/** @returns the text, or why it cannot be read */
function readMembers(path: string, read: ReadText): { readonly text: string } | { readonly why: string } {
  let why: string | undefined;
  const found = readReferencedFile(path, (name) => {
    const about = statSync(name, { throwIfNoEntry: false });
    why = about && unreadable(about);
    return why === undefined ? read(name) : undefined;
  });
  return why === undefined ? found : { why };
}

/** A pipe would be waited for, and a device may have no end: both would stop the whole process. */
function unreadable(about: Stats): string | undefined {
  if (about.isDirectory()) return "it is a directory";
  if (!about.isFile()) return "it is no regular file";
  return about.size > maxFileBytes ? "the file is larger than 1 MiB" : undefined;
}

/** The members, or why the file cannot be used: its first problem, with its line. */
export function membersIn(
  text: string,
  path: string,
  template: MemberTemplate,
): readonly DiscoveredMember[] | string {
  const file = readFileText(text, path, "members: [http://10.0.0.1:8080]");
  if (!("value" in file)) {
    const [problem] = file;
    return problem ? placed(problem.why, problem.location) : `${path}: it cannot be read`;
  }
  const value = expandEntries(file.value, "members");
  const { errors, omitted } = schemaErrors(membersFileSchema, value);
  const [error] = errors;
  if (!error) return (value as MembersFile).members.map((member) => memberOf(member, template));
  const { path: at, why, isKey, value: received, suggestion } = error;
  const more = errors.length + omitted > 1 ? `; and ${errors.length + omitted - 1} more problems` : "";
  const sentence = [
    `${nameOf(at) || "the file"}: ${why}`,
    suggestion === undefined ? "" : `; did you mean "${suggestion}"?`,
    isKey ? "" : ` (received ${quote(received)})`,
    more,
  ].join("");
  return placed(sentence, isKey ? file.keyLocationOf(at) : file.locationOf(at));
}

function placed(why: string, location: SourceLocation | undefined): string {
  return location ? `${location.file}:${location.line}:${location.column}: ${why}` : why;
}

function memberOf(
  { url, ...facts }: MembersFile["members"][number],
  template: MemberTemplate,
): DiscoveredMember {
  const { protocol, hostname, port } = parseAddress(url);
  return memberAt({ ...template, protocol }, { ...facts, hostname, port });
}
