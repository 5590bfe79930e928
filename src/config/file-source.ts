/** Members from a file that another program writes; and the form of that file. */

import { type Static, Type } from "@sinclair/typebox";

import { file, flag, integer, name, origin, strict } from "./schema-kit.ts";
import type { SourceForm } from "./source-form.ts";

export interface FileSettings {
  readonly kind: "file";
  /** As in the configuration: relative to the working directory. */
  readonly path: string;
}

export const fileForm: SourceForm<string, FileSettings> = {
  schema: file("the path of a file", "Members are listed in this file, which is watched."),
  settingsOf: (path) => ({ kind: "file", path }),
  fileOf: ({ path }) => path,
  subjectOf: ({ path }) => path,
};

const member = Type.Object(
  {
    url: origin,
    name: Type.Optional(name),
    weight: Type.Optional(integer(0, 256, "Relative share of the pool's traffic; 0 disables the member.")),
    backup: Type.Optional(flag("Serves only when no other upstream is available.")),
  },
  { ...strict, description: "One member.", errorMessage: "a URL or a map with url" },
);

/** The parser expands short forms before the check. */
export const membersFileSchema = Type.Object(
  {
    members: Type.Array(member, { description: "The members.", errorMessage: "a list of members" }),
  },
  { ...strict, description: "Members of a pool.", errorMessage: "a map with members" },
);

export type MembersFile = Static<typeof membersFileSchema>;
