import type { Shapes } from "@/api/client";

export type FlowWhole = Shapes["FlowWhole"];
export type FlowRow = Shapes["FlowRow"];
export type Problem = Shapes["FileProblem"];
export type Trigger = Shapes["TriggerShape"];
