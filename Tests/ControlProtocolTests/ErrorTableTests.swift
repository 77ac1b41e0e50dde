// SPDX-License-Identifier: GPL-2.0-or-later
// The table of error codes.

import ControlProtocol
import Testing

@Suite struct ErrorTableTests {
    /// Those of the control protocol's page.
    private static let documented: [UInt32] =
        Array(0...3) + Array(5...19) + [25, 26] + Array(31...37) + [50, 60, 62, 65, 68, 71, 72, 75]
        + Array(81...89) + [98, 99]

    @Test func eachDocumentedCodeIsExplainedInOneLine() {
        for number in Self.documented {
            let code = ErrorCode(number)
            let text = "\(code.explanation)"
            #expect(text.count >= 15 && text.count <= 110, "E\(number): \(text)")
            #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "E\(number)")
            #expect(code.group != .other, "E\(number)")
        }
        for number in [UInt32(20), 40, 70, 100, 999_999] {
            #expect(ErrorCode(number).explanation.utf8CodeUnitCount == 0 && ErrorCode(number).group == .other)
        }
    }

    @Test func whatAnotherNodeMayDoBetterIsTriedThere() {
        let worth = Self.documented.filter { ErrorCode($0).isWorthAnotherNode }
        #expect(worth == Array(7...10) + [71, 72] + Array(81...89) + [98, 99])
        #expect(Self.documented.filter { ErrorCode($0).isAboutAddress } == [36, 37])
    }
}
