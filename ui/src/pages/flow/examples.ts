/** Texts to begin with: each is a whole flow that works as it stands. A test holds them to the checks of the server. */

export interface Example {
  name: string;
  text: string;
}

export const EXAMPLES: readonly [Example, ...Example[]] = [
  {
    name: "An event",
    text: `name: my-flow
description: Say hello to whoever comes
on: {event: visitor.came}
steps:
  - name: greet
    action: log.info
    message: "hello {{ event.data.name }}"
`,
  },
  {
    name: "A webhook that answers",
    text: `name: my-webhook
description: Answer an HTTP request
on: {webhook: /my-webhook, respond: result}
steps:
  - name: answer
    return: {hello: "{{ event.data.name }}"}
`,
  },
  {
    name: "A schedule",
    text: `name: my-report
description: Look every morning whether a page is there
on: {schedule: {cron: "0 8 * * 1-5"}}
steps:
  - name: look
    action: http.request
    with: {url: "https://example.com/"}
    retry: {max: 3, delay: 10s}
  - name: tell
    action: log.info
    message: "it answers {{ steps.look.output.status }}"
`,
  },
  {
    name: "Branches, side by side",
    text: `name: my-branches
description: Do two things at once, and undo one when the other fails
on: {event: order.placed}
unless: event.data.test
steps:
  - name: both
    parallel:
      branches:
        note:
          - name: write
            action: file.write
            with: {path: "orders/{{ event.data.id }}.txt", content: "{{ event.data.total }}"}
            undo: {action: file.delete, path: "{{ output.path }}", missing_ok: true}
        check:
          - name: enough
            if: event.data.total <= 0
            fail: "order {{ event.data.id }} has no total"
`,
  },
  {
    name: "Somebody approves",
    text: `name: my-approval
description: Ask a person before much is paid
on: {event: expense.claimed}
steps:
  - name: ask
    if: event.data.amount > 100
    approve:
      title: "Pay {{ event.data.amount }}?"
      timeout: 2d
  - name: pay
    emit: {type: expense.paid, data: {amount: "{{ event.data.amount }}"}}
`,
  },
];
