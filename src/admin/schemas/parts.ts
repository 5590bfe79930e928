/** Building blocks of the admin API's schemas. A schema with a title becomes a component of the OpenAPI document. */

import { type TSchema, Type } from "@sinclair/typebox";
import { modes } from "../../pool/upstream.ts";
import { type PolicyName, policyNames } from "../../policy/policies.ts";

export const textSchema = (description: string) => Type.String({ description });

export const boolean = (description: string) => Type.Boolean({ description });

/** A whole number from 0. */
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

/** The members of a union as a list. Takes a map, because the compiler then reports every missing member. */
export const enumOf = <Member extends string>(members: Readonly<Record<Member, true>>) =>
  Object.keys(members) as Member[];

export const oneOf = <Member extends string>(members: readonly Member[], description: string) =>
  Type.Unsafe<Member>(Type.String({ enum: members, pattern: `^(${members.join("|")})$`, description }));

export const modeSchema = oneOf(modes, "The operator's intent.");

export const policySchema = Type.Unsafe<PolicyName>(
  Type.String({
    pattern: `^(${policyNames.join("|")}|extension:\\w+)$`,
    description: "Load-balancing policy: how one of the available upstreams is selected.",
  }),
);
