/** A flag of one verb alone. Apart from the verbs, so that each of them can have a file of its own. */

/** No variable stands for it belongs to one call and to no environment. */
export interface VerbFlag {
  readonly name: string;
  /** What stands for its value in help; empty if it has none. */
  readonly value: string;
  readonly summary: string;
}
