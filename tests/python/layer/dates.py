"""Dates and timestamps"""

import datetime


def day(text):
    return datetime.date.fromisoformat(text)


def time(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)


CASES = [
    ("cast(current_date(), 'string') >= '2024'", True),
    ("cast(current_timestamp(), 'string') >= '2024'", True),
    ("date_format(lit('2016-04-08'), 'yyyy-MM-dd')", "2016-04-08"),
    ("date_format(lit('2016-04-08 13:10:15'), 'dd/MM/yyyy HH:mm:ss')", "08/04/2016 13:10:15"),
    ("date_format(lit('2016-04-08'), 'EEEE')", "Friday"),
    ("year(lit('2016-07-30'))", 2016),
    ("month(lit('2016-07-30'))", 7),
    ("dayofmonth(lit('2009-07-30'))", 30),
    ("dayofweek(lit('2009-07-30'))", 5),
    ("dayofyear(lit('2016-04-09'))", 100),
    ("hour(lit('2009-07-30 12:58:59'))", 12),
    ("minute(lit('2009-07-30 12:58:59'))", 58),
    ("second(lit('2009-07-30 12:58:59'))", 59),
    ("weekofyear(lit('2008-02-20'))", 8),
    ("date_add(lit('2016-07-30'), 1)", day("2016-07-31")),
    ("date_add('day', col('id'))", [day("2024-04-01"), day("2024-03-02"), day("2023-12-28"), None]),
    ("date_sub(lit('2016-07-30'), 1)", day("2016-07-29")),
    ("date_sub(to_date('day'), col('id'))", [day("2024-03-30"), day("2024-02-27"), day("2023-12-22"), None]),
    ("datediff(lit('2009-07-31'), lit('2009-07-30'))", 1),
    ("datediff(lit('2024-12-31'), 'day')", [275, 306, 372, None]),
    ("to_date(lit('2009-07-30 04:17:52'))", day("2009-07-30")),
    ("to_date(lit('31/12/2016'), 'dd/MM/yyyy')", day("2016-12-31")),
    ("to_timestamp(lit('2016-12-31 00:12:00'))", time("2016-12-31 00:12:00")),
    ("to_timestamp(lit('31/12/2016 05:06'), 'dd/MM/yyyy HH:mm')", time("2016-12-31 05:06:00")),
    ("from_unixtime(lit(0))", "1970-01-01 00:00:00"),
    ("from_unixtime(lit(0), 'yyyy')", "1970"),
    ("unix_timestamp() > 1700000000", True),
    ("unix_timestamp(lit('2016-04-08'), 'yyyy-MM-dd')", 1460073600),
    ("unix_timestamp(to_timestamp(lit('2016-04-08 01:02:03')))", 1460077323),
    ("to_utc_timestamp(lit('2016-08-31'), 'Asia/Seoul')", time("2016-08-30 15:00:00")),
    ("from_utc_timestamp(lit('2016-08-31'), 'Asia/Seoul')", time("2016-08-31 09:00:00")),
    ("add_months(lit('2016-08-31'), 1)", day("2016-09-30")),
    ("last_day('day')", [day("2024-03-31"), day("2024-02-29"), day("2023-12-31"), None]),
    ("next_day(lit('2015-01-14'), 'TU')", day("2015-01-20")),
    ("next_day('day', 'Mon')", [day("2024-04-01"), day("2024-03-04"), day("2024-01-01"), None]),
    ("lit(datetime.datetime(2024, 1, 2, 3, 4, 5))", time("2024-01-02 03:04:05")),
    ("cast('day', 'date').isin(datetime.date(2024, 3, 31))", [True, False, False, None]),
    ("cast('day', 'timestamp').isin(datetime.datetime(2024, 3, 31))", [True, False, False, None]),
]
