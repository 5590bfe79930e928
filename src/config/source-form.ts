/** How one kind of source of members is written in the configuration file. Each kind has a file of its own. */

import type { TSchema } from "@sinclair/typebox";

export interface SourceForm<Value, Settings extends { readonly kind: string }> {
  /** Of the value behind the key of the kind. */
  readonly schema: TSchema;
  /** @param value as the schema accepts it */
  readonly settingsOf: (value: Value) => Settings;
  /** The value in the file. */
  readonly fileOf: (settings: Settings) => unknown;
  /** What is asked, without the kind: "api.internal:8080". Two sources of a pool differ in it. */
  readonly subjectOf: (settings: Settings) => string;
}
