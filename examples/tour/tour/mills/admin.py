"""This file is how the mills look in Django's admin."""

from django.contrib import admin

from tour.mills.models import Mill, Reading

admin.site.site_header = "The mill stream"
admin.site.site_title = "The mill stream"
admin.site.index_title = "What the waterworks keeps"
admin.site.site_url = "/"


class Readings(admin.TabularInline):
    model = Reading
    extra = 1


@admin.register(Mill)
class MillAdmin(admin.ModelAdmin):
    list_display = ("name", "river", "built", "head")
    list_filter = ("river",)
    search_fields = ("name", "river")
    inlines = (Readings,)


@admin.register(Reading)
class ReadingAdmin(admin.ModelAdmin):
    list_display = ("mill", "taken", "level")
    list_filter = ("mill",)
    date_hierarchy = "taken"
