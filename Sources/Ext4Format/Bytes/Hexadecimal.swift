/// `value` as messages show it: `0xef53`.
func hex(_ value: some UnsignedInteger & FixedWidthInteger) -> String {
  "0x" + String(value, radix: 16)
}
