"""Values and events → lines for a person: pure, so what a terminal shows is tested as text. Must not: print, ask, or read a clock."""
