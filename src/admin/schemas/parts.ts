/** What schemas of the admin API are made of. A schema with a title becomes a component of its own in the document. */

import { type TSchema, Type } from "@sinclair/typebox";
import { modes } from "../../pool/upstream.ts";
import { type PolicyName, policyNames } from "../../policy/policies.ts";

export const textSchema = (description: string) => Type.String({ description });

export const boolean = (description: string) => Type.Boolean({ description });

/** A whole number from 0 on. */
export const count = (description: string) => Type.Integer({ minimum: 0, description });

export const numberSchema = (description: string) => Type.Number({ minimum: 0, description });

/** Epoch milliseconds. */
export const timestamp = (description: string) =>
  Type.Number({ description: `${description} Epoch milliseconds.` });

export const nullable = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description });

export const counts = (description: string) =>
  Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description });

export const list = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Array(schema, { description });

/** A union's words as a list. As a map, because the compiler then misses each one that is left out. */
export const enumOf = <Word extends string>(words: Readonly<Record<Word, true>>) =>
  Object.keys(words) as Word[];

export const oneOf = <Word extends string>(words: readonly Word[], description: string) =>
  Type.Unsafe<Word>(Type.String({ enum: words, pattern: `^(${words.join("|")})$`, description }));
export const modeSchema = oneOf(modes, "The operator's intent.");
// The shape of one upstream as the admin API shows it, and of everything that is known of it alone.

export const policySchema = oneOf<PolicyName>(policyNames, "How one of the fit upstreams is chosen.");
