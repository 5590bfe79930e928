/** Schemas of sources of members, and of where a member comes from. */

import { Type } from "@sinclair/typebox";

import type { SourceState } from "../../snapshot/snapshot.ts";
import { boolean, count, enumOf, list, nullable, oneOf, textSchema } from "./parts.ts";

export const originSchema = Type.Object(
  {
    source: textSchema("Source of members: `dns api.internal:8080`."),
    name: nullable(Type.String(), "What the source calls it: a container, a pod; null without a name."),
    gone: boolean("The source does not report it any more."),
  },
  { title: "Origin", description: "Present for upstreams that a source of members reports." },
);

export const sourceSchema = Type.Object(
  {
    source: textSchema("What is asked: `dns api.internal:8080`."),
    state: oneOf(
      enumOf<SourceState>({ waiting: true, current: true, absent: true, stale: true }),
      "`waiting` before the first answer; `absent` while it says that it has nothing; `stale` while it fails and its last answer stays.",
    ),
    answeredAt: nullable(Type.Number(), "Epoch milliseconds of the last answer; null before the first."),
    since: nullable(
      Type.Number(),
      "Epoch milliseconds at which `absent` or `stale` began; null in the other states.",
    ),
    why: textSchema("Why it fails or has nothing; empty otherwise."),
    members: count("Members that the pool should have now."),
    omitted: count("Members beyond the limit of an entry, which are left out."),
    skipped: list(Type.String(), "What was meant and cannot be a member, with its cause; at most ten."),
    failures: count("Failed questions since the start of the source."),
  },
  { title: "Source" },
);
