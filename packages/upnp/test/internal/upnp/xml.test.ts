import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { parse } from "../../../src/internal/upnp/xml.ts"

const parsed = (text: string) => Option.getOrUndefined(parse(text))

describe("What is read of the XML of routers", () => {
  it.effect.each([
    { what: "as it should be", text: "<root><a>1</a></root>", value: "1" },
    { what: "in other cases, with prefixes", text: '<x:ROOT xmlns:x="y"><x:A> 1 </x:A></x:ROOT>', value: "1" },
    { what: "with NUL bytes after it", text: "<root><a>1</a></root>\0\0", value: "1" },
    { what: "with NUL bytes in it", text: "<root>\0<a>1\0</a></root>", value: "1" },
    { what: "with something before and after it", text: "1f\r\n<root><a>1</a></root >\r\n0\r\n</html>", value: "1" },
    { what: "with a comment after it that repeats its end", text: "<root><a>1</a></root><!-- </root> -->", value: "1" },
    { what: "with bare ampersands", text: "<root><a>/c?a=1&b=2&lt=3 & &;</a></root>", value: "/c?a=1&b=2&lt=3 & &;" },
    { what: "with bare ampersands and references", text: "<root><a>&amp;&lt;& ok</a></root>", value: "&<& ok" },
    { what: "with character data", text: "<root><b>&</b><a><![CDATA[a & b]]></a></root>", value: "a & b" }
  ])("is read $what", ({ text, value }) =>
    Effect.sync(() => {
      assert.deepNestedInclude(parsed(text), { "root.a": value })
    })
  )

  it.effect.each(["", "no XML", "<root>", "<root><a></root>", "<root></root", "\0<<<"])(
    "is not read when it is not well-formed: %s",
    (text) => Effect.sync(() => assert.isUndefined(parsed(text)))
  )

  it.effect("has no document type, and so no entities, in every case of letters and after every repair", () =>
    Effect.sync(() => {
      for (const type of ["<!DOCTYPE a [<!ENTITY b 'c'>]>", "<!doctype a SYSTEM 'file:///etc/hosts'>"]) {
        for (const more of ["", "\0", "junk "])
          assert.isUndefined(parsed(`${more}${type}<root><a>&b;</a></root>${more}`))
      }
      assert.deepNestedInclude(parsed("<root><a>&b; & &file;</a></root>"), { "root.a": "&b; & &file;" })
    })
  )

  it("is any text, without a defect", () => {
    const unit = fc.constantFrom(...'<>/a&;#[]!C\0 "='.split(""), "<root>", "</root>", "<![CDATA[", "]]>")
    fc.assert(fc.property(fc.string({ unit }), (text) => assert.isTrue(Option.isOption(parse(text)))))
  })
})
