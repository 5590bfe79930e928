/** The conditions of a route, all of which must hold. */

/** The path that a route is for. */
export interface PathCondition {
  /**
   * `prefix`: this path and all below it at a slash. `exact`: this path alone. `template`: segments, of which `{name}` is any
   * one and a last `{name...}` the rest.
   */
  readonly kind: "prefix" | "exact" | "template";
  readonly text: string;
}

/** What a header, a parameter of the query or a cookie must be: one of these values; present (true) or absent (false). */
export type ValueCondition = readonly string[] | boolean;

export interface RouteConditions {
  /** Host names without port, lower case; "*.example.com" matches every name below. Undefined matches all. */
  readonly hosts?: readonly string[];
  /** Undefined matches all. */
  readonly path?: PathCondition;
  readonly methods?: readonly string[];
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, ValueCondition>>;
  readonly query?: Readonly<Record<string, ValueCondition>>;
  readonly cookies?: Readonly<Record<string, ValueCondition>>;
  /** Addresses and ranges of clients. */
  readonly clients?: readonly string[];
  /** Names of listeners. */
  readonly listeners?: readonly string[];
}
