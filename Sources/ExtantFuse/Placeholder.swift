import ExtantBase
